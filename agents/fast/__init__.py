"""What is only speed: memory kept between updates, faster convolutions."""
