"""Benchmarks: readers, tasks, scorers, reports."""
