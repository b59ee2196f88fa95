"""Records: their schema and seal, the store, the progress of jobs, and estimates of their time."""
