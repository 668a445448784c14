"""Methods, one file each, in one folder per problem."""
