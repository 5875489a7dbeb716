"""The kernels: which class decides for which."""
