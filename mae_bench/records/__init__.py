"""Records: their schema, the store they lie in, and what is computed over several of them."""
