"""Parts without a notion of VAE: weight-normalised layers, masked convolutions, MADE, PixelCNN, residual networks."""
