"""General tools that know nothing of VAEs: errors, atomic writes, hashes, seeds, signals, TOML, untrusted JSON."""
