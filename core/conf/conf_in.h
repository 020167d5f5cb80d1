/* conf_in.h: what the files of this folder share.  Not for others. */
#ifndef SLUICE_CONF_CONF_IN_H
#define SLUICE_CONF_CONF_IN_H

#include "core/conf/conf.h"

/* Writes what is wrong with a value into `error`; ERR_INVALID. */
must_printf(2, 3) int conf_refuse(char error[CONF_ERROR_BYTES], const char *fmt, ...);

#endif
