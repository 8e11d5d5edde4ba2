"""The journey on one real `airflow standalone`, which all tests of this folder share: see ``conftest.py``."""
