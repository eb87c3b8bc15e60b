#ifndef SPOT_OPTIMIZER_CMYSQL_SHIM_H
#define SPOT_OPTIMIZER_CMYSQL_SHIM_H

// What differs between MariaDB's connector (Debian's default-libmysqlclient-dev) and Oracle's libmysqlclient 8+: TLS options,
// and `my_bool`, which is `char` here and `bool` there. Swift sees `int` and `signed char` on both.

#include <mysql.h>
#include <mysqld_error.h>
#include <errmsg.h>

#ifdef MARIADB_PACKAGE_VERSION_ID
typedef my_bool spot_mysql_bool;
#else
#include <stdbool.h>
typedef bool spot_mysql_bool;
#endif

// TLS with the server's certificate and host name verified against `ca_file`. MariaDB's connector needs VERIFY beside ENFORCE, and
// the caller must look at `mysql_get_ssl_cipher` all the same: ENFORCE alone goes on in plain text when the server has no TLS.
static inline int spot_mysql_require_tls(MYSQL *mysql, const char *ca_file) {
#ifdef MARIADB_PACKAGE_VERSION_ID
  spot_mysql_bool on = 1;
  return mysql_options(mysql, MYSQL_OPT_SSL_CA, ca_file) | mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &on) |
         mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on) | mysql_options(mysql, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
#else
  unsigned int mode = SSL_MODE_VERIFY_IDENTITY;
  return mysql_options(mysql, MYSQL_OPT_SSL_CA, ca_file) | mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode) |
         mysql_options(mysql, MYSQL_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
#endif
}

// Plain text, said outright: the default is "TLS if the server has it" in Oracle's client and "TLS, verified" in connector 3.4.
// caching_sha2_password then needs the server's public key, which MariaDB's connector asks for by itself.
static inline int spot_mysql_disable_tls(MYSQL *mysql) {
#ifdef MARIADB_PACKAGE_VERSION_ID
  spot_mysql_bool off = 0;
  return mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &off) | mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &off);
#else
  unsigned int mode = SSL_MODE_DISABLED;
  spot_mysql_bool on = true;
  return mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode) | mysql_options(mysql, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &on);
#endif
}

// Never reconnect behind the caller's back: transactions, locks and session settings would be gone unnoticed. Oracle's client
// has it off and warns when the option is only mentioned.
static inline int spot_mysql_disable_reconnect(MYSQL *mysql) {
#ifdef MARIADB_PACKAGE_VERSION_ID
  spot_mysql_bool off = 0;
  return mysql_options(mysql, MYSQL_OPT_RECONNECT, &off);
#else
  (void)mysql;
  return 0;
#endif
}

static inline int spot_mysql_in_transaction(const MYSQL *mysql) { return (mysql->server_status & SERVER_STATUS_IN_TRANS) != 0; }

// Fills one binding of a zeroed array; `length` and `is_null` may be NULL for a parameter.
static inline void spot_mysql_bind(MYSQL_BIND *bind, enum enum_field_types type, void *buffer, unsigned long capacity,
                                   unsigned long *length, signed char *is_null, int is_unsigned) {
  bind->buffer_type = type;
  bind->buffer = buffer;
  bind->buffer_length = capacity;
  bind->length = length;
  bind->is_null = (spot_mysql_bool *)is_null;
  bind->is_unsigned = is_unsigned != 0;
}

static inline int spot_mysql_stmt_bind_param(MYSQL_STMT *statement, MYSQL_BIND *binds) { return mysql_stmt_bind_param(statement, binds) != 0; }
static inline int spot_mysql_stmt_bind_result(MYSQL_STMT *statement, MYSQL_BIND *binds) { return mysql_stmt_bind_result(statement, binds) != 0; }

#endif
