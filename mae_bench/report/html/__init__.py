"""Boards as a static site: pages that a browser shows from a folder or a web server, without any network."""
