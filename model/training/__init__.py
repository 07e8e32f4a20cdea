"""The hybrid method: offline training, open-loop transfer, one online epoch; its thresholds and their choice."""
