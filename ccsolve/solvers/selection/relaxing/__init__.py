"""The relaxations that bounds are made of, and what rounds and sharpens them."""
