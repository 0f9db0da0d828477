"""The resource types and their rules: values in, values out, no effects."""
