"""The chapters: a room each. A chapter never imports another one."""
