"""Code and attributes of modules, made to fit fewer channels."""
