"""What the reader sets: forms, links, scrubber, picker, drawing pad."""
