"""SOQL and SOSL as texts: what they ask for, as values. Nothing is looked up."""
