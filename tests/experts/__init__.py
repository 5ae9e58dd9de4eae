"""Tests of the state experts."""
