"""Installation, demonstration and the tools of the checkout."""
