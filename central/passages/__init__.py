"""What the edges report: passages as they came, and the visits that follow from them."""
