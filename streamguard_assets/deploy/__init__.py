"""What a deployment needs beside the package: the image and the configuration of its containers. No code here."""
