#ifndef SPOT_OPTIMIZER_CMYSQL_SHIM_H
#define SPOT_OPTIMIZER_CMYSQL_SHIM_H

#include <mysql.h>
#include <mysqld_error.h>
#include <errmsg.h>

#endif
