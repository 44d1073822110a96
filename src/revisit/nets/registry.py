"""Which module holds which encoder architecture.

Read through ``importlib`` only, so that an edit of one architecture, or a new line here, reruns the
jobs that use it and no others: the workflow adds the digest of the module an encoder names.
A module listed here names its class ``ENCODER``.
"""

ARCHITECTURES = {
    "channel-vit": "revisit.nets.channel_vit",
    "swin": "revisit.nets.swin",
}
