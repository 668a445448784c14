"""Methods that find tensors of low rank; one file each."""
