"""Tests of what a deployment is made of: files that no test of the code would load."""
