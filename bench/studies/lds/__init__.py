"""`bench lds`: whether the scores of filters predict what retraining on other rows does."""
