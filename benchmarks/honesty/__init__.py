"""What second-order models of the loss predict, against what is measured."""
