"""A demonstration that needs nothing else: targets of our own on loopback, and a configuration that checks them."""
