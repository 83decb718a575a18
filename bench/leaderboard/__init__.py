"""Rows, results and the pages made of them."""
