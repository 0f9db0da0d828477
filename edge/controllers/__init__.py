"""Desired objects -> more objects: one module for each controller, all of them pure, and one loop that runs them."""
