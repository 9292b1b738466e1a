"""The dual of a penalty on images of one shape, and the denoising problem that every proximal operator is."""
