"""Trained encoders in the forms that other libraries load."""
