"""Between the API and the control bus: what nodes shall do goes out, what they report comes in."""
