"""What made the pictures that ship: generators of people, faces and drawn figures. Only commands use them."""
