"""Scores to numbers, with floors and intervals: training and evaluation share them."""
