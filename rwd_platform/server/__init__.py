"""The web door: server-rendered pages and the JSON API over the same flows."""
