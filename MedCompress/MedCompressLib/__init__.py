"""MedCompress: volumes made small, with what matters in them exact. Plain Python; no application is needed."""

__version__ = "0.1.0"
