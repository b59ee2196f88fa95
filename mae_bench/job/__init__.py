"""One job -> one record: training, evaluation, and what is kept between sessions."""
