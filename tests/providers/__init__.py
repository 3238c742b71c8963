"""Providers on loopback, the real clients of LangChain, and what is recorded of their calls."""
