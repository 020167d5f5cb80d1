/* kerr.h: the error codes of the Kafka protocol, as the i16 that travels: KERR_NONE is 0,
 * KERR_UNKNOWN_SERVER_ERROR -1.  Source: Kafka 4.3 common/protocol/Errors. */
#ifndef SLUICE_WIRE_KERR_H
#define SLUICE_WIRE_KERR_H

#include <stdbool.h>
#include <stdint.h>

enum kerr {
#define KERR(name, code, retriable, text) KERR_##name = (code),
#include "core/wire/kerr.def"
#undef KERR
};

/* The default text for error_message fields; "" for KERR_NONE, and the text of
 * KERR_UNKNOWN_SERVER_ERROR for a code that Kafka does not have.  Static. */
const char *kerr_message(int16_t code);

/* The constant without its prefix, for log lines: "CORRUPT_MESSAGE"; "UNKNOWN_SERVER_ERROR" for a
 * code that Kafka does not have.  Static. */
const char *kerr_name(int16_t code);

/* True when Kafka clients send the request again after this error. */
bool kerr_retriable(int16_t code);

#endif
