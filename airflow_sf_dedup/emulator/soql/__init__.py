"""SOQL as a text: what it asks for, as values. Nothing is looked up."""
