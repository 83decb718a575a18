"""Language models: load, encode, adapt, generate."""
