"""SFT by TRL and by faster paths with the same result."""
