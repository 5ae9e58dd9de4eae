"""Code that only makes agents faster: memory kept between updates, faster convolutions."""
