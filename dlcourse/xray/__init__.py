"""Lab 2, chest X-rays: detect pneumothorax, and show why."""
