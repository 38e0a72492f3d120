"""fsrbench: does a vision-language model in the loop improve a face super-resolution pipeline?"""

__version__ = "0.1.0"
