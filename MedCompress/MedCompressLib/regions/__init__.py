"""Coding of what lies in a region of a volume: its outline and its values, and nothing else."""
