"""Parts that know nothing of VAEs: weight-normalised layers, masked convolutions, MADE, PixelCNNs, residual blocks."""
