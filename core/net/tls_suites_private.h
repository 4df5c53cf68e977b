#pragma once
/* What we speak, to clients and to servers: Mozilla's "intermediate", without what only old peers
 * need (DHE). */
#ifndef GW_CDEF
#define GW_TLS_CIPHERS_12                                                                          \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GW_TLS_CIPHERS_13                                                                          \
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GW_TLS_GROUPS "X25519:P-256:P-384"
#define GW_TLS_SIGNATURES                                                                          \
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:"                                              \
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"                                 \
    "RSA+SHA256:RSA+SHA384:RSA+SHA512"
#endif
