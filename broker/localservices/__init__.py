"""A private RabbitMQ and a private MariaDB in one folder; `broker/local` is the way in."""
