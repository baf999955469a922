"""The parts of the model that are not encoders: context prompts now, configuration and fusion later."""
